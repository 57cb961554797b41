// The preview node in the editor: pictures under the node, and word to the runtime that they are
// looked at.
"use strict";

(function () {
    const ALIVE_MS = 2000;
    // Node-RED gives the group that it draws a node in the node's id; the picture goes below it.
    const BELOW = 50;
    const classOf = "virtual-recamera-picture";

    function pictures(id) {
        return [...(document.getElementById(id)?.querySelectorAll(`.${classOf}`) ?? [])];
    }

    function remove(id) {
        pictures(id).forEach((picture) => picture.remove());
    }

    // The one before stays until the new picture is decoded: nothing flickers.
    function show(id, data) {
        const before = pictures(id);
        const retire = () => before.forEach((picture) => picture.remove());
        const picture = window.virtualRecamera.draw(data);
        picture.setAttribute("class", classOf);
        picture.setAttribute("transform", `translate(0, ${BELOW})`);
        picture.addEventListener("click", () => remove(id));
        // Where there is no such group, the node is on a tab that is not open.
        document.getElementById(id)?.appendChild(picture);
        const image = picture.querySelector("image");
        if (image) {
            ["load", "error"].forEach((event) => image.addEventListener(event, retire));
        } else {
            retire();
        }
    }

    function toggle(node) {
        const action = node.active ? "enable" : "disable";
        $.post(`image-output/${node.id}/${action}`)
            .done((answer) => {
                RED.notify(`Successfully ${answer}: ${node.name || "preview"}`, "success");
                const changes = { active: !node.active };
                RED.history.push({ t: "edit", node, changes, dirty: RED.nodes.dirty() });
                node.changed = true;
                node.dirty = true;
                RED.nodes.dirty(true);
                RED.view.redraw();
            })
            .fail((request) => {
                const known = { 0: "no answer from the server", 404: "the node is not deployed" };
                RED.notify(known[request.status] || request.statusText, "error");
            });
    }

    RED.nodes.registerType("preview", {
        category: "Vision AI",
        color: "#9BD3BC",
        defaults: {
            name: { value: "" },
            active: { value: true },
            pass: { value: false },
            outputs: { value: 0 },
        },
        inputs: 1,
        outputs: 0,
        icon: "font-awesome/fa-video-camera",
        align: "right",
        paletteLabel: "preview",
        label: function () {
            return this.name || "preview";
        },
        labelStyle: function () {
            return this.name ? "node_label_italic" : "";
        },
        button: {
            toggle: "active",
            visible: function () {
                return !this.pass;
            },
            onclick: function () {
                toggle(this);
            },
        },
    });

    RED.comms.subscribe("preview", (topic, message) => {
        if (message.data) {
            show(message.id, message.data);
        } else {
            remove(message.id);
        }
    });

    // An id that is no node's means every preview.
    const sayAlive = () => $.post("image-output/0/alive");
    sayAlive();
    setInterval(sayAlive, ALIVE_MS);
})();
