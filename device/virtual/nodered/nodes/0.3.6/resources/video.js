// The camera's video in the editor: H.264 as it comes from the websocket, one picture a message,
// decoded by the browser itself.
"use strict";

(function () {
    const WIDTH = 640;
    const SLICE_OF_A_KEY_PICTURE = 5;
    const NAMESPACE = "http://www.w3.org/2000/svg";

    /** Whether a picture can be decoded without those before it: by the types of its NAL units. */
    function isKey(bytes) {
        for (let at = 0; at + 3 < bytes.length; at += 1) {
            const begins = bytes[at] === 0 && bytes[at + 1] === 0 && bytes[at + 2] === 1;
            if (begins && (bytes[at + 3] & 31) === SLICE_OF_A_KEY_PICTURE) {
                return true;
            }
        }
        return false;
    }

    function canvasUnder(id, width, height) {
        const canvas = document.createElement("canvas");
        Object.assign(canvas, { width, height });
        canvas.style.width = `${WIDTH}px`;
        const holder = document.createElementNS(NAMESPACE, "foreignObject");
        holder.setAttribute("width", WIDTH);
        holder.setAttribute("height", (WIDTH * height) / width);
        const group = document.createElementNS(NAMESPACE, "g");
        holder.appendChild(canvas);
        group.appendChild(holder);
        window.virtualRecamera.place(id, group);
        return canvas;
    }

    function paint(id, frame) {
        const [shown] = window.virtualRecamera.pictures(id);
        const { displayWidth, displayHeight } = frame;
        const canvas =
            shown?.querySelector("canvas") ?? canvasUnder(id, displayWidth, displayHeight);
        canvas.getContext("2d").drawImage(frame, 0, 0, canvas.width, canvas.height);
        frame.close();
    }

    /** What takes the messages of one websocket; it shows them under the node `id`. */
    function video(id) {
        const decoder = new VideoDecoder({
            output: (frame) => paint(id, frame),
            error: (error) => console.warn(`the camera's video: ${error.message}`),
        });
        // Without a description, the data have start codes; any profile decodes by this one.
        decoder.configure({ codec: "avc1.640028", optimizeForLatency: true });
        let begun = false;
        return (data) => {
            const bytes = new Uint8Array(data);
            const type = isKey(bytes) ? "key" : "delta";
            begun = begun || type === "key";
            if (begun && decoder.state === "configured") {
                const timestamp = Math.round(performance.now() * 1000);
                decoder.decode(new EncodedVideoChunk({ type, timestamp, data: bytes }));
            }
        };
    }

    window.virtualRecamera ??= {};
    Object.assign(window.virtualRecamera, { video });
})();
