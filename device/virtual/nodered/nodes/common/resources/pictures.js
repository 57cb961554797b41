// Pictures under the nodes of the editor. Node-RED loads the scripts of a node in any order: each
// uses what others give to `window.virtualRecamera` only when it is called.
"use strict";

(function () {
    // Node-RED gives the group that it draws a node in the node's id; the picture goes below it.
    const BELOW = 50;
    const classOf = "virtual-recamera-picture";

    function pictures(id) {
        return [...(document.getElementById(id)?.querySelectorAll(`.${classOf}`) ?? [])];
    }

    function remove(id) {
        pictures(id).forEach((picture) => picture.remove());
    }

    /** Put an element under a node, if that is on the tab that is open; a click removes it. */
    function place(id, picture) {
        picture.setAttribute("class", classOf);
        picture.setAttribute("transform", `translate(0, ${BELOW})`);
        picture.addEventListener("click", () => remove(id));
        document.getElementById(id)?.appendChild(picture);
    }

    /**
     * Draw an event's data under a node. The one before stays until the new picture is decoded:
     * nothing flickers.
     */
    function show(id, data) {
        const before = pictures(id);
        const retire = () => before.forEach((picture) => picture.remove());
        const picture = window.virtualRecamera.draw(data);
        place(id, picture);
        const image = picture.querySelector("image");
        if (image) {
            ["load", "error"].forEach((event) => image.addEventListener(event, retire));
        } else {
            retire();
        }
    }

    /** Note that the button has changed a node, so that it is deployed and can be undone. */
    function toggled(node) {
        const changes = { active: !node.active };
        RED.history.push({ t: "edit", node, changes, dirty: RED.nodes.dirty() });
        node.changed = true;
        node.dirty = true;
        RED.nodes.dirty(true);
        RED.view.redraw();
    }

    window.virtualRecamera ??= {};
    Object.assign(window.virtualRecamera, { pictures, place, remove, show, toggled });
})();
