// The can-config node: which bus. The virtual camera has one, whatever it is called.
"use strict";

module.exports = function (RED) {
    function CanNode(definition) {
        RED.nodes.createNode(this, definition);
        this.can = { interface: definition.interface, baud: definition.baud };
    }

    RED.nodes.registerType("can-config", CanNode);
};
