// The preview node in the editor: the browser reads the websockets of the host that the page is of,
// port 8090 for what a model finds, 8080 for a camera's video.
"use strict";

(function () {
    const LOOK_MS = 1000;
    const AGAIN_MS = 3000;
    const streams = new Map(); // by node id: {port, socket, closed at}

    /** The types of all nodes from which messages get to this one, on its tab. */
    function upstream(node, found = new Map()) {
        RED.nodes.getNodeLinks(node, 1).forEach(({ source }) => {
            if (!found.has(source.id)) {
                found.set(source.id, source.type);
                upstream(source, found);
            }
        });
        return new Set(found.values());
    }

    /** The port to read for a preview; one wired to nothing shows the model's results. */
    function portFor(node) {
        const types = upstream(node);
        const video = types.has("camera") && !types.has("model");
        return video ? RED.settings.previewCameraPort : RED.settings.previewModelPort;
    }

    function wanted() {
        const shown = RED.nodes.filterNodes({ type: "preview" }).filter((n) => n.active && !n.d);
        return new Map(shown.map((node) => [node.id, portFor(node)]));
    }

    function open(id, port) {
        const socket = new WebSocket(`ws://${location.hostname}:${port}`);
        socket.binaryType = "arraybuffer";
        const stream = { port, socket, closedAt: 0 };
        const decode =
            port === RED.settings.previewCameraPort
                ? window.virtualRecamera.video(id)
                : (data) => showEvent(id, data);
        socket.addEventListener("message", (event) => decode(event.data));
        socket.addEventListener("close", () => (stream.closedAt = Date.now()));
        streams.set(id, stream);
    }

    function showEvent(id, bytes) {
        const text = typeof bytes === "string" ? bytes : new TextDecoder().decode(bytes);
        const { data } = JSON.parse(text);
        if (data && streams.has(id)) {
            window.virtualRecamera.show(id, data);
        } else {
            window.virtualRecamera.remove(id);
        }
    }

    function close(id) {
        streams.get(id)?.socket.close();
        streams.delete(id);
        window.virtualRecamera.remove(id);
    }

    /** Open what is missing, close what is no longer wanted, try again what was lost. */
    function reconcile() {
        const ports = wanted();
        [...streams.keys()].filter((id) => streams.get(id).port !== ports.get(id)).forEach(close);
        ports.forEach((port, id) => {
            const stream = streams.get(id);
            const lost = stream?.closedAt && Date.now() - stream.closedAt > AGAIN_MS;
            if (!stream || lost) {
                open(id, port);
            }
        });
    }

    window.virtualRecamera ??= {};
    // What is read follows from the nodes alone.
    Object.assign(window.virtualRecamera, { toggle: (n) => window.virtualRecamera.toggled(n) });
    RED.events.on("deploy", () => [...streams.keys()].forEach(close));
    setInterval(reconcile, LOOK_MS);
})();
