"""Read, merge, compare, back up and push the flows of the camera's Node-RED."""
