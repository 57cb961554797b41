// The can-read node: sends every frame on the bus, or those whose first byte is its `filter`.
"use strict";

const { bus } = require("./lib/can");

module.exports = function (RED) {
    function CanReadNode(definition) {
        RED.nodes.createNode(this, definition);
        const node = this;
        const wanted = definition.filter || "none";

        function forward({ id, data }) {
            const kind = data[0].toString(16).padStart(2, "0").toUpperCase();
            if (wanted === "none" || wanted === kind) {
                node.send({ payload: { id, data: [...data] } });
                node.status({ fill: "green", shape: "dot", text: `${id.toString(16)}#${kind}` });
            }
        }

        bus.on("frame", forward);
        node.on("close", () => bus.off("frame", forward));
    }

    RED.nodes.registerType("can-read", CanReadNode);
};
