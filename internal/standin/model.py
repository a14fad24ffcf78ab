"""A proxy before an endpoint that holds what passes to AWS's own model of its APIs.

    python3 model.py http://127.0.0.1:PORT -- COMMAND…

runs COMMAND with AWS_ENDPOINT_URL set to the proxy, compares each request and each reply with
botocore's service-2.json, prints what differs, and fails if anything does, or if COMMAND
fails. Services: lambda, logs, iam, sts. Needs botocore only.
"""

import http.client
import http.server
import json
import os
import re
import subprocess
import sys
import threading
import urllib.parse
import xml.etree.ElementTree as ET

import botocore.loaders

loader = botocore.loaders.Loader()
MODELS = {name: loader.load_service_model(name, "service-2") for name in ("lambda", "logs", "iam", "sts")}
differences, seen = [], {}
lock = threading.Lock()

# Errors that all services have in common, and those that Lambda's documentation has beside its model.
COMMON = {
    "AccessDenied", "IncompleteSignature", "InvalidAction", "InvalidClientTokenId", "MissingAuthenticationToken", "SignatureDoesNotMatch",
    "ValidationError", "MalformedQueryString", "IncompleteSignatureException", "InvalidSignatureException", "MissingAuthenticationTokenException",
    "UnrecognizedClientException", "ValidationException", "SerializationException", "UnknownOperationException", "NotImplemented",
    "RequestEntityTooLargeException",
}


def note(where, what):
    with lock:
        differences.append(f"{where}: {what}")


def check(model, name, value, where, parse=None):
    """Compares a JSON value with the shape of that name."""
    shape = model["shapes"][name]
    kind = shape["type"]
    if value is None:
        return
    if kind == "structure":
        if not isinstance(value, dict):
            return note(where, f"{type(value).__name__} where {name} belongs")
        members = {m.get("locationName", key): m for key, m in shape["members"].items()}
        for key, part in value.items():
            if key in members:
                check(model, members[key]["shape"], part, f"{where}.{key}")
            else:
                note(where, f"{name} has no member {key}")
        for key in shape.get("required", []):
            member = shape["members"][key]
            if "location" not in member and member.get("locationName", key) not in value:
                note(where, f"{key} is missing")
    elif kind == "list":
        if not isinstance(value, list):
            return note(where, f"{type(value).__name__} where a list belongs")
        for i, part in enumerate(value):
            check(model, shape["member"]["shape"], part, f"{where}[{i}]")
        bounds(shape, len(value), where)
    elif kind == "map":
        if not isinstance(value, dict):
            return note(where, f"{type(value).__name__} where a map belongs")
        for key, part in value.items():
            check(model, shape["key"]["shape"], key, f"{where} key {key}")
            check(model, shape["value"]["shape"], part, f"{where}[{key}]")
    elif kind in ("integer", "long"):
        if isinstance(value, bool) or not isinstance(value, int):
            return note(where, f"{value!r} where {kind} belongs")
        bounds(shape, value, where)
    elif kind in ("double", "float", "timestamp"):
        if isinstance(value, bool) or not (isinstance(value, (int, float)) or kind == "timestamp" and isinstance(value, str)):
            note(where, f"{value!r} where {kind} belongs")
    elif kind == "boolean":
        if not isinstance(value, bool):
            note(where, f"{value!r} where {kind} belongs")
    elif kind in ("string", "blob"):
        if not isinstance(value, str):
            return note(where, f"{value!r} where {kind} belongs")
        if "enum" in shape and value not in shape["enum"]:
            note(where, f"{value!r} is none of {name}")
        if kind == "string":
            bounds(shape, len(value), where)
            pattern(shape, value, where)


def bounds(shape, n, where):
    if n < shape.get("min", n) or n > shape.get("max", n):
        note(where, f"{n} is not from {shape.get('min')} to {shape.get('max')}")


def pattern(shape, value, where):
    if "pattern" in shape and value:
        try:
            if not re.fullmatch(shape["pattern"], value):
                note(where, f"{value!r} is not {shape['pattern']}")
        except re.error:
            pass  # not all of Java's are Python's


def check_xml(model, name, element, where):
    """Compares an XML element with the shape of that name."""
    shape = model["shapes"][name]
    kind = shape["type"]
    children = [(child.tag.split("}")[-1], child) for child in element]
    if kind == "structure":
        for tag, child in children:
            if tag in shape["members"]:
                check_xml(model, shape["members"][tag]["shape"], child, f"{where}.{tag}")
            else:
                note(where, f"{name} has no member {tag}")
        have = {tag for tag, _ in children}
        for key in shape.get("required", []):
            if key not in have:
                note(where, f"{key} is missing")
    elif kind == "list":
        for i, (tag, child) in enumerate(children):
            if tag != "member":
                note(where, f"<{tag}> in a list")
            check_xml(model, shape["member"]["shape"], child, f"{where}[{i}]")
    elif kind == "boolean":
        if element.text not in ("true", "false"):
            note(where, f"{element.text!r} where boolean belongs")
    elif kind in ("integer", "long"):
        if not re.fullmatch(r"-?\d+", element.text or ""):
            note(where, f"{element.text!r} where {kind} belongs")
    elif kind == "timestamp":
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", element.text or ""):
            note(where, f"{element.text!r} where {kind} belongs")
    elif kind == "string":
        if "enum" in shape and element.text not in shape["enum"]:
            note(where, f"{element.text!r} is none of {name}")
        bounds(shape, len(element.text or ""), where)


def routes(model):
    """The operations of a REST API: method, pattern of the path, what must be in the query, name."""
    found = []
    for name, op in model["operations"].items():
        path, _, query = op["http"]["requestUri"].partition("?")
        pattern = re.sub(r"\\{\w+\\\+?\\?}|\\{\w+\\}", "([^/]+)", re.escape(path))
        found.append((op["http"]["method"], re.compile(pattern + "/?"), dict(urllib.parse.parse_qsl(query)), name))
    return sorted(found, key=lambda route: -len(route[2]))


LAMBDA = routes(MODELS["lambda"])


def operation(method, target, headers, body):
    """The service and the operation that a request is for, as far as it is one of ours."""
    scope = re.search(r"Credential=[^/]+/\d+/[^/]+/(\w+)/", headers.get("Authorization", ""))
    service = scope.group(1) if scope else None
    if service not in MODELS:
        return None, None
    path, _, query = target.partition("?")
    if service == "lambda":
        given = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        for verb, pattern, wanted, name in LAMBDA:
            if verb == method and pattern.fullmatch(path) and wanted.items() <= given.items():
                return service, name
        return service, None
    if service == "logs":
        return service, headers.get("X-Amz-Target", "").partition(".")[2]
    return service, dict(urllib.parse.parse_qsl(body.decode())).get("Action")


def check_request(model, name, target, headers, body, where):
    op = model["operations"][name]
    if "input" not in op:
        return
    shape = model["shapes"][op["input"]["shape"]]
    protocol = model["metadata"]["protocol"]
    if protocol == "query":
        for key in dict(urllib.parse.parse_qsl(body.decode())):
            if key not in ("Action", "Version") and key.split(".")[0] not in shape["members"]:
                note(where, f"no parameter {key}")
        return
    query = urllib.parse.parse_qsl(target.partition("?")[2])
    known = {m["locationName"] for m in shape["members"].values() if m.get("location") == "querystring"}
    literal = set(dict(urllib.parse.parse_qsl(op["http"]["requestUri"].partition("?")[2])))
    for key, _ in query:
        if key not in known | literal:
            note(where, f"no parameter {key}")
    for key in headers:
        sent = {m["locationName"].lower() for m in shape["members"].values() if m.get("location") == "header"}
        if key.lower().startswith("x-amz-") and key.lower() not in sent | {"x-amz-date", "x-amz-content-sha256", "x-amz-security-token", "x-amz-target", "x-amz-user-agent"}:
            note(where, f"no header {key}")
    if "payload" not in shape and body:
        check(model, op["input"]["shape"], json.loads(body), where)


def check_reply(model, name, status, headers, body, where):
    op = model["operations"][name]
    protocol = model["metadata"]["protocol"]
    if status >= 400:
        return check_error(model, op, status, headers, body, where)
    said = op.get("output") and model["shapes"][op["output"]["shape"]]["members"].values() or []
    if status != op["http"].get("responseCode", 200) and not any(m.get("location") == "statusCode" for m in said):
        note(where, f"status {status}, not {op['http'].get('responseCode', 200)}")
    if "output" not in op:
        return
    output = op["output"]["shape"]
    if protocol == "query":
        result = next((e for e in ET.fromstring(body) if e.tag.split("}")[-1] == op["output"].get("resultWrapper")), None)
        if result is None:
            return note(where, "no result")
        return check_xml(model, output, result, where)
    if "payload" not in model["shapes"][output] and body:
        check(model, output, json.loads(body), where)


def check_error(model, op, status, headers, body, where):
    if model["metadata"]["protocol"] == "query":
        code = next(e.text for e in ET.fromstring(body).iter() if e.tag.split("}")[-1] == "Code")
    else:
        code = headers.get("X-Amzn-ErrorType", "").partition(":")[0]
    errors = {}
    for e in op.get("errors", []):
        shape = model["shapes"][e["shape"]]
        errors[shape.get("error", {}).get("code", e["shape"])] = shape.get("error", {}).get("httpStatusCode", 400)
    if code in errors:
        if status != errors[code]:
            note(where, f"{code} with status {status}, not {errors[code]}")
    elif code not in COMMON:
        note(where, f"{code} is no error of it")


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_one(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        upstream = http.client.HTTPConnection(self.server.upstream)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for key, value in self.headers.items():
            upstream.putheader(key, value)  # Host too: it is signed
        upstream.endheaders(body)
        reply = upstream.getresponse()
        data = reply.read()
        service, name = operation(self.command, self.path, self.headers, body)
        if service and name in MODELS[service]["operations"]:
            with lock:
                seen[f"{service}.{name}"] = seen.get(f"{service}.{name}", 0) + 1
            try:
                if reply.status < 400:  # a refused request may be wrong on purpose
                    check_request(MODELS[service], name, self.path, self.headers, body, f"{service}.{name} request")
                check_reply(MODELS[service], name, reply.status, reply.headers, data, f"{service}.{name} {reply.status}")
            except (ValueError, ET.ParseError, StopIteration) as e:
                note(f"{service}.{name}", f"{e!r}: {data[:200]!r}")
        self.send_response_only(reply.status)
        for key, value in reply.headers.items():
            if key.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(key, value)
        if reply.status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        upstream.close()

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = handle_one

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a client that has gone
            super().handle_error(request, client_address)


def main():
    endpoint, command = sys.argv[1], sys.argv[3:]
    server = Server(("127.0.0.1", 0), Proxy)
    server.upstream = urllib.parse.urlsplit(endpoint).netloc
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env = dict(os.environ, AWS_ENDPOINT_URL=f"http://127.0.0.1:{server.server_address[1]}")
    code = subprocess.run(command, env=env).returncode
    server.shutdown()
    print(f"model: {sum(seen.values())} requests of {len(seen)} operations compared with botocore's model: {', '.join(sorted(seen))}")
    for line in sorted(set(differences)):
        print("model: DIFFERS", line)
    sys.exit(code or (1 if differences else 0))


main()
