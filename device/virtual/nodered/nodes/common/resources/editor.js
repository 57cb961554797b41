// For every open editor: what its nodes have in common.
"use strict";

(function () {
    // Since 0.3 a flow may have several previews: each is a window of the browser's own.
    const SINGLE = ["sscma", "camera", "model", "save", "capture"];
    const single = (type) => SINGLE.includes(type) || (type === "preview" && !severalPreviews());

    function severalPreviews() {
        return RED.settings.previewModelPort !== undefined;
    }

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
        if (single(node.type) && othersOf(node).length > 0) {
            RED.notify("This node can only be instantiated once.", "error");
            RED.nodes.remove(node.id);
        }
    });
})();
