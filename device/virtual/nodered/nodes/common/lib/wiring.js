// What a node is wired to, read in the flow document.
"use strict";

/**
 * The nodes before and after `node` that belong to the same `sscma` config node.
 *
 * In a subflow the document holds the template's ids, and a running node has the instance's id, a
 * dash and the template's.
 */
function neighbours(RED, node, client) {
    const inDocument = node._alias || node.id;
    const prefix = node.id.slice(0, node.id.length - inDocument.length);
    const dependents = new Set(node.wires.flat());
    const found = { dependencies: [], dependents: [] };
    RED.nodes.eachNode((other) => {
        if (other.client !== client || other.d) {
            return;
        }
        const id = prefix + other.id;
        if ((other.wires || []).flat().includes(inDocument)) {
            found.dependencies.push(id);
        }
        if (dependents.has(id)) {
            found.dependents.push(id);
        }
    });
    return found;
}

/** Whether a `preview` node that is not disabled gets what `node` sends. */
function showsInPreview(RED, node) {
    const targets = node.wires.flat();
    let shown = false;
    RED.nodes.eachNode((other) => {
        const wired = targets.some((id) => id === other.id || id.endsWith(`-${other.id}`));
        shown = shown || (wired && other.type === "preview" && !other.d);
    });
    return shown;
}

module.exports = { neighbours, showsInPreview };
