// The model node: inference on the camera's pictures, with the size of the pictures for previews.
"use strict";

const { register } = require("../common/lib/model-node");

module.exports = function (RED) {
    register(RED, (definition) => ({
        previewResolution: definition.previewResolution,
        previewFps: parseInt(definition.previewFps, 10),
    }));
};
