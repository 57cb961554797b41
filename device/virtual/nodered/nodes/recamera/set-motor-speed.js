// The set-motor-speed node: how fast a motor turns from now on, in degrees a second.
"use strict";

const { setSpeed, speed } = require("./lib/gimbal");
const { inputOf, numberOf, register } = require("./lib/motor-node");

module.exports = function (RED) {
    register(RED, "set-motor-speed", (node, definition, message) => {
        const axis = definition.output === "0" ? "yaw" : "pitch";
        const context = node.context().global;
        setSpeed(context, axis, numberOf(inputOf(RED, node, definition, message)));
        return `${axis} ${speed(context, axis)}`;
    });
};
