// The angle-to-can node: makes of a number the command that turns a motor. `output` says which, and
// whether to the angle (0 yaw, 2 pitch) or by it (1, 3); `unit` 0 is degrees, else hundredths.
"use strict";

const { command } = require("./lib/can");
const { speed } = require("./lib/gimbal");
const { inputOf, numberOf, register } = require("./lib/motor-node");

module.exports = function (RED) {
    register(RED, "angle-to-can", (node, definition, message, send) => {
        const amount = numberOf(inputOf(RED, node, definition, message));
        const output = Number(definition.output);
        const axis = output < 2 ? "yaw" : "pitch";
        const degrees = (definition.unit || "0") === "0" ? amount : amount / 100;
        const fast = speed(node.context().global, axis);
        send({ ...message, payload: command(axis, output % 2 === 0, degrees, fast) });
        return `${axis} ${degrees}°`;
    });
};
