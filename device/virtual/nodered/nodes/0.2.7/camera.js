// The camera node: the sensor and its microphone.
"use strict";

const { register, volume } = require("../common/lib/camera-node");
const { showsInPreview } = require("../common/lib/wiring");

module.exports = function (RED) {
    register(RED, (node, definition) => ({
        option: definition.option || 0,
        preview: showsInPreview(RED, node),
        audio: volume(definition),
    }));
};
