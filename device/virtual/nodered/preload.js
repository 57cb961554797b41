// Loaded into Node-RED's process before anything else (node --require).
"use strict";

const net = require("node:net");

// Flows name the camera's own ports (1883 MQTT, 80 HTTP, 1880 Node-RED) at localhost. The virtual
// camera may have others, at another address of the loopback, and flows must stay the same on both:
// connections from here to those ports of this machine are led to where its services listen,
// whichever node or library makes them.
const { host: HOST, ports: PORTS } = JSON.parse(process.env.VIRTUAL_CAMERA || '{"ports": {}}');
const THIS_MACHINE = new Set([undefined, "", "localhost", "127.0.0.1", "::1"]);

function led(options) {
    const port = Object.hasOwn(PORTS, options.port) ? PORTS[options.port] : null;
    const here = !options.path && THIS_MACHINE.has(options.host);
    return port && here ? { ...options, host: HOST, port } : options;
}

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (first, ...rest) {
    if (Array.isArray(first)) {
        // net.connect and what is built on it hand on their arguments as one marked list.
        first[0] = led(first[0]);
    } else if (typeof first === "object") {
        return connect.call(this, led(first), ...rest);
    } else if (Object.hasOwn(PORTS, first)) {
        const host = typeof rest[0] === "string" ? rest.shift() : undefined;
        return connect.call(this, led({ port: first, host }), ...rest);
    }
    return connect.call(this, first, ...rest);
};

// The virtual camera holds the other end of standard input: whatever ends it ends this process.
process.stdin.on("end", () => process.kill(process.pid, "SIGTERM"));
process.stdin.resume();
