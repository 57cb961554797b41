// For every open editor: what its nodes have in common.
"use strict";

(function () {
    const SINGLE = ["sscma", "camera", "model", "preview", "save"];

    function othersOf(node) {
        let found = RED.nodes.filterNodes({ type: node.type });
        if (node.type === "sscma") {
            found = [];
            RED.nodes.eachConfig((other) => {
                if (other.type === node.type) {
                    found.push(other);
                }
            });
        }
        return found.filter((other) => other.id !== node.id);
    }

    // The camera has one sensor and one TPU: a second node of a kind is taken away at once.
    RED.events.on("nodes:add", (node) => {
        if (SINGLE.includes(node.type) && othersOf(node).length > 0) {
            RED.notify("This node can only be instantiated once.", "error");
            RED.nodes.remove(node.id);
        }
    });
})();
