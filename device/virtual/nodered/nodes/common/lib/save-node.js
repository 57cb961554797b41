// What nodes that write to the camera's disk have in common: `save`, and `capture` since 0.3.
"use strict";

const { join, switched } = require("./service-node");

/** Seconds in `amount` of a unit: 0 is seconds, 1 minutes, 2 hours. */
function seconds(amount, unit) {
    return Number(amount) * 60 ** Number(unit);
}

/** Whether a node of 0.3 begins when it is deployed: `startMode` says so, or is not there. */
function startsAtOnce(definition) {
    return definition.startMode === "immediate" || !definition.startMode;
}

/**
 * Register a node; `configOf` makes of its definition what the service is told, `onMessage` takes a
 * message that is no switch.
 */
function register(RED, type, configOf, onMessage = () => {}) {
    function SaveNode(definition) {
        RED.nodes.createNode(this, definition);
        const node = this;
        node.on("input", (message, send, done) => {
            switched(node, message);
            onMessage(node, message);
            done();
        });
        const config = configOf(definition);
        join(RED, node, definition, config, (report) => node.send({ payload: report }));
    }

    RED.nodes.registerType(type, SaveNode);
}

module.exports = { register, seconds, startsAtOnce };
