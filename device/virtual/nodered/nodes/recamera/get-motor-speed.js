// The get-motor-speed node: sends how fast a motor turns.
"use strict";

const { speed } = require("./lib/gimbal");
const { register } = require("./lib/motor-node");

module.exports = function (RED) {
    register(RED, "get-motor-speed", (node, definition, message, send) => {
        const axis = definition.output === "0" ? "yaw" : "pitch";
        const known = speed(node.context().global, axis);
        send({ payload: known });
        return `${axis} ${known}`;
    });
};
