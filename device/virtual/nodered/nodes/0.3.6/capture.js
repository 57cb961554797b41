// The capture node: pictures on the camera's disk, at intervals or when a message asks for one.
"use strict";

const { register, seconds, startsAtOnce } = require("../common/lib/save-node");

const FOR_EVER = -1;
const WHEN_ASKED = 0;

/** For how many seconds pictures are taken. A node without a mode takes them for ever. */
function duration(definition) {
    if (definition.captureMode === "trigger") {
        return WHEN_ASKED;
    }
    const limited = definition.captureMode ? definition.duration : 0;
    return seconds(limited, definition.durationUnit) || FOR_EVER;
}

module.exports = function (RED) {
    register(
        RED,
        "capture",
        (definition) => ({
            storage: definition.storage,
            slice: seconds(definition.interval, definition.timeUnit),
            duration: duration(definition),
            enabled: startsAtOnce(definition),
            saveMode: "image",
        }),
        (node, message) => {
            if (message.payload === "capture" && node.client) {
                node.client.request(node.id, "capture", true);
            }
        },
    );
};
