// The save node: video on the camera's disk.
"use strict";

const { register, seconds } = require("../common/lib/save-node");

module.exports = function (RED) {
    register(RED, "save", (definition) => ({
        storage: definition.storage,
        slice: seconds(definition.slice, definition.timeUnit),
        duration: seconds(definition.duration, definition.durationUnit),
        enabled: definition.start,
    }));
};
