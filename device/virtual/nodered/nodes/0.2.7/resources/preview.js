// The preview node in the editor: pictures under the node, and word to the runtime that they are
// looked at.
"use strict";

(function () {
    const ALIVE_MS = 2000;

    function toggle(node) {
        const action = node.active ? "enable" : "disable";
        $.post(`image-output/${node.id}/${action}`)
            .done((answer) => {
                RED.notify(`Successfully ${answer}: ${node.name || "preview"}`, "success");
                window.virtualRecamera.toggled(node);
            })
            .fail((request) => {
                const known = { 0: "no answer from the server", 404: "the node is not deployed" };
                RED.notify(known[request.status] || request.statusText, "error");
            });
    }

    window.virtualRecamera ??= {};
    Object.assign(window.virtualRecamera, { toggle });

    RED.comms.subscribe("preview", (topic, message) => {
        if (message.data) {
            window.virtualRecamera.show(message.id, message.data);
        } else {
            window.virtualRecamera.remove(message.id);
        }
    });

    // An id that is no node's means every preview.
    const sayAlive = () => $.post("image-output/0/alive");
    sayAlive();
    setInterval(sayAlive, ALIVE_MS);
})();
