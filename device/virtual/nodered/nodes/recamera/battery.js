// The get-battery-voltage node: asks the supervisor every `interval` seconds. A camera without a
// battery has no voltage to tell, and the node then sends 0, as on the camera.
"use strict";

const { call } = require("./lib/local-http");

const SUPERVISOR = 80;

module.exports = function (RED) {
    function BatteryNode(definition) {
        RED.nodes.createNode(this, definition);
        const node = this;
        const unit = definition.unit || "V";

        async function look() {
            try {
                const path = "/api/deviceMgr/queryBatteryInfo";
                const original = JSON.parse(await call("GET", SUPERVISOR, path));
                const payload = (Number(original.data?.voltage) || 0) / 1000;
                const text = `${payload.toFixed(2)} ${unit}`;
                node.status({ fill: "green", shape: "dot", text });
                node.send({ payload, original, topic: "battery_voltage" });
            } catch (error) {
                node.error(`Battery read error: ${error.message}`);
                node.status({ fill: "red", shape: "ring", text: `Error: ${error.message}` });
            }
        }

        const timer = setInterval(look, (parseInt(definition.interval, 10) || 1) * 1000);
        node.on("input", (message, send, done) => look().then(() => done()));
        node.on("close", () => clearInterval(timer));
        look();
    }

    RED.nodes.registerType("get-battery-voltage", BatteryNode);
};
