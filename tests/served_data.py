"""A small server in place of vLLM: run as a file, it answers on 127.0.0.1 as vLLM does, or misbehaves as it is told.

`python served_data.py PORT FOLDER [HOW]`: notes its process and those it starts in FOLDER/pids, a start a line.
"""

import http.server
import json
import os
import subprocess
import sys
import time
from pathlib import Path


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.reply({"data": []})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if "mortal" in sys.argv:
            os.abort()
        rivals = [{"token": "Yes", "logprob": -0.1}, {"token": "No", "logprob": -2.5}]
        choice = {"message": {"content": "Yes"}, "logprobs": {"content": [{"top_logprobs": rivals}]}}
        self.reply({"choices": [choice]})

    def reply(self, said: object) -> None:
        allowed = self.headers["Authorization"] == f"Bearer {os.environ['KEY']}"
        body = json.dumps(said).encode()
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def serve(port: int, folder: Path, how: str) -> None:
    # One child of its own group, as vLLM's are, and one that went away into a session of its own.
    children = [subprocess.Popen(["sleep", "600"], start_new_session=away) for away in (False, True)]
    with (folder / "pids").open("a") as file:
        file.write(" ".join(str(pid) for pid in (os.getpid(), *(child.pid for child in children))) + "\n")
    starts = len((folder / "pids").read_text().splitlines())
    if how == "no memory":
        print("(EngineCore pid=7) INFO 11-27 22:10:28 [core.py:133] Initializing", "", sep="\n")
        print("(Worker pid=8) ERROR 11-27 22:10:28 [core.py:1] torch.OutOfMemoryError: CUDA out of memory. Tried")
        sys.exit(1)
    if how == "taken" and starts == 1:
        print("OSError: [Errno 98] Address already in use")
        sys.exit(1)
    if how == "silent":
        time.sleep(600)
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Answers).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]), [*sys.argv, ""][3])
