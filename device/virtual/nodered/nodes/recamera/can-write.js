// The can-write node: puts the frame of each message on the bus, and sends on what is answered.
"use strict";

const { frameOf, send: transmit } = require("./lib/can");
const { register } = require("./lib/motor-node");

module.exports = function (RED) {
    register(RED, "can-write", (node, definition, message, send) => {
        const answer = transmit(frameOf(message.payload));
        if (!answer) {
            throw new Error("Timeout");
        }
        send({ payload: { id: answer.id, data: [...answer.data] } });
        return `${answer.id.toString(16)}#${answer.data.toString("hex")}`;
    });
};
