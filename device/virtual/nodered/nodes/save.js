// The save node: pictures and video on the camera's disk.
"use strict";

const { join, switched } = require("./lib/service-node");

/** Seconds in `amount` of a unit: 0 is seconds, 1 minutes, 2 hours. */
function seconds(amount, unit) {
    return Number(amount) * 60 ** Number(unit);
}

module.exports = function (RED) {
    function SaveNode(definition) {
        RED.nodes.createNode(this, definition);
        const node = this;
        const config = {
            storage: definition.storage,
            slice: seconds(definition.slice, definition.timeUnit),
            duration: seconds(definition.duration, definition.durationUnit),
            enabled: definition.start,
        };
        node.on("input", (message, send, done) => {
            switched(node, message);
            done();
        });
        join(RED, node, definition, config, (report) => node.send({ payload: report }));
    }

    RED.nodes.registerType("save", SaveNode);
};
