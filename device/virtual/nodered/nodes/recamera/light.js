// The light node: the camera's lamp, which its camera node switches.
"use strict";

const { call } = require("./lib/local-http");

const NODE_RED = 1880;
const word = (on) => (on ? "on" : "off");

module.exports = function (RED) {
    function LightNode(definition) {
        RED.nodes.createNode(this, definition);
        const node = this;

        /** Ask the camera node, over Node-RED's own port, and show what came of it. */
        node.shine = async function (on) {
            node.light = on;
            try {
                await call("POST", NODE_RED, `/camera/${word(on)}`);
                node.status({ fill: "green", shape: "dot", text: `Light is ${word(on)}` });
            } catch (error) {
                node.status({ fill: "red", shape: "ring", text: `Error: ${error.message}` });
                throw error;
            }
        };

        node.on("input", (message, send, done) => {
            const on = Boolean(message.payload) && message.payload !== "off";
            if (on === node.light) {
                done();
                return;
            }
            node.shine(on).then(
                () => {
                    RED.comms.publish("light-state", { id: node.id, state: on });
                    done();
                },
                done,
            );
        });
        node.shine(Boolean(definition.light)).catch(() => {});
    }

    RED.nodes.registerType("light", LightNode);

    const allowed = RED.auth.needsPermission("light.write");
    RED.httpAdmin.post("/light/:state", allowed, async (request, response) => {
        const { state } = request.params;
        const lights = [];
        RED.nodes.eachNode((other) => {
            const running = other.type === "light" ? RED.nodes.getNode(other.id) : null;
            if (running) {
                lights.push(running);
            }
        });
        if (!["on", "off"].includes(state) || !lights.length) {
            response.sendStatus(lights.length ? 400 : 404);
            return;
        }
        try {
            await Promise.all(lights.map((light) => light.shine(state === "on")));
            response.send(state);
        } catch (error) {
            response.status(500).send(error.message);
        }
    });
};
