"""Receive the camera's live results over MQTT or its preview socket."""
