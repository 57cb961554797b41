// The save node: video on the camera's disk.
"use strict";

const { register, seconds, startsAtOnce } = require("../common/lib/save-node");

module.exports = function (RED) {
    register(RED, "save", (definition) => ({
        storage: definition.storage,
        slice: seconds(definition.slice, definition.timeUnit),
        duration: seconds(definition.duration, definition.durationUnit),
        enabled: startsAtOnce(definition),
        saveMode: "video",
    }));
};
