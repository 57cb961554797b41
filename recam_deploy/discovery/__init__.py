"""Find cameras by mDNS, over USB, and on their own access point."""
