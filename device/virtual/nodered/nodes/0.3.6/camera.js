// The camera node: the sensor and its microphone. Its video is for browsers, by websocket.
"use strict";

const { register, volume } = require("../common/lib/camera-node");
const { showsInPreview } = require("../common/lib/wiring");

// Numbers that the flow does not have travel as null: the service then takes its own.
module.exports = function (RED) {
    register(RED, (node, definition) => ({
        option: parseInt(definition.option, 10),
        fps: parseInt(definition.fps, 10),
        preview: false,
        websocket: showsInPreview(RED, node),
        mirror: Boolean(definition.mirror),
        flip: Boolean(definition.flip),
        audio: volume(definition),
    }));
};
