// The stream node: the camera's video for other programs.
"use strict";

const { join, switched } = require("./lib/service-node");

module.exports = function (RED) {
    function StreamNode(definition) {
        RED.nodes.createNode(this, definition);
        const node = this;
        const config = {
            protocol: definition.protocol,
            port: Number(definition.port),
            session: definition.session,
            username: definition.username,
            password: definition.password,
        };
        node.on("input", (message, send, done) => {
            switched(node, message);
            done();
        });
        join(RED, node, definition, config, () => {});
    }

    RED.nodes.registerType("stream", StreamNode);
};
