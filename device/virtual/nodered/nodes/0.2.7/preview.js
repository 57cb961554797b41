// The preview node: shows pictures with what was found in them, in every open editor.
"use strict";

// Without a word from an editor for this long, pictures are dropped: nobody is looking.
const PATIENCE_MS = 3000;

module.exports = function (RED) {
    function PreviewNode(definition) {
        RED.nodes.createNode(this, definition);
        const node = this;
        let watched = true;
        let waiting = null;
        node.active = definition.active ?? true;

        function expectEditor() {
            waiting ??= setTimeout(() => {
                watched = false;
                waiting = null;
            }, PATIENCE_MS);
        }

        node.keepAlive = function () {
            watched = true;
            clearTimeout(waiting);
            waiting = null;
        };

        node.on("input", (message, send, done) => {
            const { name, data } = message.payload || {};
            if (node.active && watched && data && (name === "invoke" || name === "sample")) {
                RED.comms.publish("preview", { id: node.id, data });
                showCounts(data.counts);
                expectEditor();
            }
            done();
        });

        function showCounts(counts) {
            if (counts) {
                const [a, b, there, back] = counts;
                const text = `A: ${a} B: ${b} A->B: ${there} B->A: ${back}`;
                node.status({ fill: "blue", shape: "dot", text });
            }
        }

        node.on("close", () => {
            clearTimeout(waiting);
            RED.comms.publish("preview", { id: node.id });
            node.status({});
        });
        expectEditor();
    }

    RED.nodes.registerType("preview", PreviewNode);

    function everyPreview() {
        const found = [];
        RED.nodes.eachNode((other) => {
            const running = other.type === "preview" ? RED.nodes.getNode(other.id) : null;
            if (running) {
                found.push(running);
            }
        });
        return found;
    }

    /** Whom an action means: one node, or, with an id that is no node's, all that are alive. */
    function meant(id, action) {
        const node = RED.nodes.getNode(id);
        if (node && node.type === "preview") {
            return [node];
        }
        return action === "alive" ? everyPreview() : null;
    }

    const actions = {
        alive: ["alive", (node) => node.keepAlive()],
        enable: ["activated", (node) => (node.active = true)],
        disable: ["deactivated", (node) => (node.active = false)],
    };
    const allowed = RED.auth.needsPermission("image-output.write");
    RED.httpAdmin.post("/image-output/:id/:action", allowed, (request, response) => {
        const { id, action } = request.params;
        const nodes = Object.hasOwn(actions, action) ? meant(id, action) : null;
        if (!nodes) {
            response.sendStatus(404);
            return;
        }
        const [answer, act] = actions[action];
        nodes.forEach(act);
        response.send(answer);
    });
};
