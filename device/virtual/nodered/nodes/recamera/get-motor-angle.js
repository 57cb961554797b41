// The get-motor-angle node: sends where a motor stands, in degrees or hundredths of them.
"use strict";

const { angle } = require("./lib/gimbal");
const { register } = require("./lib/motor-node");

module.exports = function (RED) {
    register(RED, "get-motor-angle", (node, definition, message, send) => {
        const axis = definition.output === "0" ? "yaw" : "pitch";
        const inDegrees = (definition.unit || "0") === "0";
        send({ payload: inDegrees ? angle(axis) : Math.round(angle(axis) * 100) });
        return `${axis} ${angle(axis)}°`;
    });
};
