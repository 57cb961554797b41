"""Finding cameras: by mDNS, over USB, on their own access point."""
