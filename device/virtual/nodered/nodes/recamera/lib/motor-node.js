// What the motors' nodes have in common: where their input is, and how they report a failure.
"use strict";

/** The value that a node is to use: from the message, or from the flow's or global context. */
function inputOf(RED, node, definition, message) {
    const name = definition.input;
    const from = definition["input-type"] || "msg";
    const value =
        from === "msg" ? RED.util.getMessageProperty(message, name) : node.context()[from].get(name);
    if (value === undefined || value === null) {
        throw new Error("Input value is empty");
    }
    return value;
}

/** A number. Throws for what is none. */
function numberOf(value) {
    const number = Number(value);
    if (Number.isNaN(number)) {
        throw new Error("Input value is not a number");
    }
    return number;
}

/** Register a node that does `act` with each message; it returns the text of the node's status. */
function register(RED, type, act) {
    function MotorNode(definition) {
        RED.nodes.createNode(this, definition);
        const node = this;
        node.on("input", (message, send, done) => {
            try {
                const text = act(node, definition, message, send);
                node.status({ fill: "green", shape: "dot", text });
                done();
            } catch (error) {
                node.status({ fill: "red", shape: "ring", text: error.message });
                done(error);
            }
        });
    }

    RED.nodes.registerType(type, MotorNode);
}

module.exports = { inputOf, numberOf, register };
