// What the camera nodes of all versions have in common: messages, and the editor's actions.
"use strict";

const { join, switched } = require("./service-node");

const DEFAULT_VOLUME = 80;

// What the editor may ask of a running camera, and the request that the service gets for it.
const ACTIONS = {
    pause: ["pause", true],
    start: ["pause", false],
    on: ["light", 1],
    off: ["light", 0],
};

/** The microphone's volume, 0 to 100; 0 where it is switched off. */
function volume(definition) {
    if (!definition.audio) {
        return 0;
    }
    const wanted = parseInt(definition.volume, 10);
    return Number.isNaN(wanted) ? DEFAULT_VOLUME : wanted;
}

/** Register the camera node; `configOf` makes of its definition what the service is told. */
function register(RED, configOf) {
    function CameraNode(definition) {
        RED.nodes.createNode(this, definition);
        const node = this;
        node.on("input", (message, send, done) => {
            switched(node, message);
            done();
        });
        const config = configOf(node, definition);
        join(RED, node, definition, config, (report) => node.send({ payload: report }));
    }

    RED.nodes.registerType("camera", CameraNode);

    const allowed = RED.auth.needsPermission("camera.write");
    RED.httpAdmin.post("/camera/:action", allowed, (request, response) => {
        let camera = null;
        RED.nodes.eachNode((other) => {
            camera = other.type === "camera" ? RED.nodes.getNode(other.id) || camera : camera;
        });
        const action = Object.hasOwn(ACTIONS, request.params.action)
            ? ACTIONS[request.params.action]
            : null;
        if (!camera || !camera.client || !action) {
            response.sendStatus(404);
            return;
        }
        camera.client.request(camera.id, ...action);
        response.send(request.params.action);
    });
}

module.exports = { register, volume };
