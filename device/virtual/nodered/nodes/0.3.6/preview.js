// The preview node. There is nothing of it here: the browser that shows the editor reads the
// camera's and the model's websockets itself.
"use strict";

module.exports = function (RED) {
    function PreviewNode(definition) {
        RED.nodes.createNode(this, definition);
        this.on("close", () => this.status({}));
    }

    // On a camera these are fixed; the virtual one may have others.
    RED.nodes.registerType("preview", PreviewNode, {
        settings: {
            previewCameraPort: { value: 8080, exportable: true },
            previewModelPort: { value: 8090, exportable: true },
        },
    });
};
