// What the model nodes of all versions have in common.
"use strict";

const { join, switched } = require("./service-node");
const { showsInPreview } = require("./wiring");

// What a message's payload may change while the model runs.
const CHANGEABLE = {
    tiou: (value) => typeof value === "number",
    tscore: (value) => typeof value === "number",
    trace: (value) => typeof value === "boolean",
    debug: (value) => typeof value === "boolean",
    counting: (value) => typeof value === "boolean",
    splitter: Array.isArray,
    labels: Array.isArray,
};

function words(text) {
    return text
        .split(",")
        .filter(Boolean)
        .map((word) => word.trim());
}

/** Of `payload`, what the service is asked to change; null when there is nothing. */
function changes(payload) {
    if (typeof payload !== "object" || payload === null) {
        return null;
    }
    const fit = Object.entries(CHANGEABLE).filter(([name, fits]) => fits(payload[name]));
    return fit.length ? Object.fromEntries(fit.map(([name]) => [name, payload[name]])) : null;
}

/** Register the model node; `more` gives what a version tells the service besides. */
function register(RED, more = () => ({})) {
    function ModelNode(definition) {
        RED.nodes.createNode(this, definition);
        const node = this;
        // As on the camera, `splitter` and `classes` must be texts: the node fails otherwise.
        const config = {
            uri: definition.uri,
            tiou: parseFloat(definition.tiou),
            tscore: parseFloat(definition.tscore),
            trace: definition.trace,
            debug: showsInPreview(RED, node) || definition.debug,
            counting: definition.counting,
            splitter: words(definition.splitter).map((word) => parseInt(word, 10)),
            labels: words(definition.classes),
            ...more(definition),
        };
        node.on("input", (message, send, done) => {
            const wanted = switched(node, message) ? null : changes(message.payload);
            if (wanted && node.client) {
                node.client.request(node.id, "config", wanted);
            }
            done();
        });
        join(RED, node, definition, config, (report) => node.send({ payload: report }));
    }

    RED.nodes.registerType("model", ModelNode);
}

module.exports = { register };
