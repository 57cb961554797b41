// The can-to-angle node: what a frame on the bus says of a motor, as {motorId, angle}.
"use strict";

const { angleIn } = require("./lib/can");
const { inputOf, register } = require("./lib/motor-node");

module.exports = function (RED) {
    register(RED, "can-to-angle", (node, definition, message, send) => {
        const frame = inputOf(RED, node, definition, message);
        if (typeof frame !== "object" || !frame.id || !frame.data) {
            throw new Error("Input must be a CAN message object with id and data");
        }
        const found = angleIn(frame);
        if (!found) {
            return "no angle";
        }
        const inDegrees = (definition.unit || "0") === "0";
        const { motorId, angle } = found;
        send({ payload: { motorId, angle: inDegrees ? angle : Math.round(angle * 100) } });
        return `${angle}°`;
    });
};
