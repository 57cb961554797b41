// What the camera, model, stream and save nodes have in common: each is a node of the camera's
// inference service, made there when it is deployed and ended there when it is taken away.
"use strict";

/**
 * Make `node` one of the service's. `config` is what the service is told of it; `report` is called
 * with every report of the service about it.
 */
function join(RED, node, definition, config, report) {
    node.client = RED.nodes.getNode(definition.client);
    node.config = config;
    node.report = report;
    if (node.client) {
        node.client.register(node);
    }
    node.on("close", (removed, done) => {
        if (node.client) {
            node.client.deregister(node, done);
        } else {
            done();
        }
    });
}

/** A message with `enabled` switches the node on or off. Returns whether it was one. */
function switched(node, message) {
    if (!node.client || !Object.hasOwn(message, "enabled")) {
        return false;
    }
    node.client.request(node.id, "enabled", message.enabled);
    return true;
}

module.exports = { join, switched };
