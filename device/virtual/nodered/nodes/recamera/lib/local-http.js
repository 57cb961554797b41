// Calls to the camera's own HTTP services, by the ports that they have on a camera.
"use strict";

const http = require("node:http");

/** The text of the answer to a call to this machine. Rejects when it fails. */
function call(method, port, path) {
    return new Promise((resolve, reject) => {
        const options = { method, host: "localhost", port, path, agent: false };
        const request = http.request(options, (response) => {
            let text = "";
            response.on("data", (chunk) => (text += chunk));
            response.on("end", () => {
                if (response.statusCode === 200) {
                    resolve(text);
                } else {
                    reject(new Error(`HTTP error: ${response.statusCode}`));
                }
            });
        });
        request.on("error", reject);
        request.end();
    });
}

module.exports = { call };
