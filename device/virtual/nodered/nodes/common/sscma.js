// The config node: one connection to the camera's MQTT broker, shared by the nodes of its service.
"use strict";

const mqtt = require("mqtt");
const messages = require("./lib/messages");
const { neighbours } = require("./lib/wiring");

const END_MS = 2000;
const UNKNOWN = -1; // nothing was reported of a node yet
const word = (name) => `node-red:common.status.${name}`;
const DISCONNECTED = { fill: "red", shape: "ring", text: word("disconnected") };
const CONNECTING = { fill: "yellow", shape: "ring", text: word("connecting") };
const CONNECTED = { fill: "green", shape: "ring", text: word("connected") };
const RUNNING = { fill: "blue", shape: "dot", text: "running" };
const IDLE = { fill: "grey", shape: "dot", text: "idle" };

/** The service's own name for a node's type: pictures are captured by a save node there. */
function serviceType(user) {
    return user.type === "capture" ? "save" : user.type;
}

/** The dot under a node after a report about it; undefined where it stays as it is. */
function statusAfter(report, wasWell) {
    if (report.name === "enabled") {
        return report.data === true ? RUNNING : IDLE;
    }
    if (report.code !== 0) {
        return { fill: "red", shape: "ring", text: String(report.data) };
    }
    return wasWell ? undefined : CONNECTED;
}

module.exports = function (RED) {
    function SscmaNode(definition) {
        RED.nodes.createNode(this, definition);
        const node = this;
        const users = new Map();
        let connection = null;

        function showAll(status) {
            users.forEach((user) => user.status(status));
        }

        function connect() {
            connection = mqtt.connect(`mqtt://${definition.host}:${definition.mqttport}`, {
                username: definition.username || undefined,
                password: definition.password || undefined,
            });
            let trouble = "";
            connection.on("connect", () => {
                trouble = "";
                connection.subscribe(messages.reportTopics(definition.clientid));
            });
            connection.on("message", hear);
            connection.on("reconnect", () => showAll(CONNECTING));
            connection.on("close", () => {
                users.forEach((user) => (user.code = UNKNOWN));
                showAll(DISCONNECTED);
            });
            // It tries again every second; the same trouble is told once.
            connection.on("error", (error) => {
                const told = error.message || error.code;
                if (told !== trouble) {
                    node.warn(`MQTT: ${told}`);
                }
                trouble = told;
            });
        }

        function hear(topic, payload) {
            const user = users.get(messages.reporter(topic));
            if (!user) {
                return;
            }
            let report;
            try {
                report = JSON.parse(payload.toString());
            } catch (error) {
                node.warn(`${topic}: ${error.message}`);
                return;
            }
            const status = statusAfter(report, user.code === 0);
            if (status) {
                user.status(status);
            }
            user.code = report.code;
            user.report(report);
        }

        node.request = function (id, name, data, done = () => {}) {
            if (!connection) {
                done();
                return;
            }
            const topic = messages.requestTopic(definition.clientid, id);
            connection.publish(topic, messages.request(name, data), { qos: 0 }, done);
        };

        // The first node clears the service, which may still hold nodes of an earlier flow.
        node.register = function (user) {
            users.set(user.id, user);
            if (!connection) {
                connect();
            }
            if (users.size === 1) {
                node.request("", "clear", "");
            }
            user.code = UNKNOWN;
            user.status(CONNECTING);
            const around = neighbours(RED, user, node.id);
            node.request(user.id, "create", {
                type: serviceType(user),
                config: user.config,
                ...around,
            });
        };

        // Without a broker nobody is left to be told, and waiting for one would hold up a deploy.
        node.deregister = function (user, done) {
            users.delete(user.id);
            if (connection && connection.connected) {
                node.request(user.id, "destroy", { type: serviceType(user) }, () => done());
            } else {
                done();
            }
        };

        node.on("close", (done) => {
            if (!connection) {
                done();
                return;
            }
            const ending = connection;
            connection = null;
            const late = setTimeout(() => ending.end(true), END_MS);
            ending.end(!ending.connected, () => {
                clearTimeout(late);
                done();
            });
        });
    }

    RED.nodes.registerType("sscma", SscmaNode);
};
