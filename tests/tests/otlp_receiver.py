"""An OTLP receiver on the official protos, in a process of its own, that can misbehave.

usage: otlp_receiver.py grpc|http JOURNAL PORT ANSWER...

Each request is answered by the next ANSWER, the last one again and again, and is a line of the journal before it is answered:
`{"answer": ..., "acknowledged": how many spans, "spans": [...], "resource": {...}}`. With port 0 a free one is taken; the
port is printed.

Over HTTP, 503, 429 with Retry-After, 413 and 400 are what UNAVAILABLE, RESOURCE_EXHAUSTED with and without a RetryInfo, and
INVALID_ARGUMENT are over gRPC.

take              acknowledged
slow:SECONDS      acknowledged, after that time
together:N        acknowledged, once N requests wait for that
partial:N         acknowledged, but for the last N spans
unavailable       not taken, UNAVAILABLE
full:SECONDS      not taken, RESOURCE_EXHAUSTED with a RetryInfo
full              not taken, RESOURCE_EXHAUSTED without one
refuse            not taken, INVALID_ARGUMENT
lose              taken, but the answer is UNAVAILABLE: the acknowledgement is lost
hang              taken, and never answered
die               the process ends while the request is answered
"""

import http.server
import json
import os
import sys
import threading
import time
from concurrent import futures

import grpc
from google.protobuf import any_pb2, duration_pb2, unknown_fields
from google.protobuf import message as message_pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc


def plain(value):
    kind = value.WhichOneof("value")
    return {kind: getattr(value, kind)}


def attributes(pairs):
    return [[pair.key, plain(pair.value)] for pair in pairs]


def whole(message):
    """Nothing is in the message, or in those inside it, that the official definition does not know."""
    if len(unknown_fields.UnknownFieldSet(message)) > 0:
        return False
    inside = [value for field, value in message.ListFields() if field.message_type is not None]
    flat = [one for value in inside for one in ([value] if isinstance(value, message_pb.Message) else value)]
    return all(whole(one) for one in flat)


def told(span, scope):
    return {
        "scope": scope.name,
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "trace_state": span.trace_state,
        "parent_span_id": span.parent_span_id.hex(),
        "flags": span.flags,
        "name": span.name,
        "kind": span.kind,
        "start_time_unix_nano": span.start_time_unix_nano,
        "end_time_unix_nano": span.end_time_unix_nano,
        "attributes": attributes(span.attributes),
        "dropped_attributes_count": span.dropped_attributes_count,
        "events": [
            {
                "time_unix_nano": event.time_unix_nano,
                "name": event.name,
                "attributes": attributes(event.attributes),
                "dropped_attributes_count": event.dropped_attributes_count,
            }
            for event in span.events
        ],
        "dropped_events_count": span.dropped_events_count,
        "links": [{"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex()} for link in span.links],
        "dropped_links_count": span.dropped_links_count,
        "status": {"code": span.status.code, "message": span.status.message},
    }


def retry_info(seconds):
    """A `google.rpc.Status` with a `google.rpc.RetryInfo`, whose definitions are in a package of their own."""
    whole, part = int(seconds), int(seconds % 1 * 1e9)
    delay = duration_pb2.Duration(seconds=whole, nanos=part).SerializeToString()
    detail = any_pb2.Any(
        type_url="type.googleapis.com/google.rpc.RetryInfo", value=b"\x0a" + bytes([len(delay)]) + delay
    ).SerializeToString()
    return b"\x08\x08\x12\x04full\x1a" + bytes([len(detail)]) + detail


TAKEN = ("take", "slow", "together")


class Receiver(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self, journal, answers):
        self.journal, self.answers, self.lock = journal, answers, threading.Lock()
        self.together = {answer: threading.Barrier(int(answer[9:])) for answer in answers if answer.startswith("together:")}

    def next(self, request):
        with self.lock:
            answer, _, argument = self.answers[0].partition(":")
            if len(self.answers) > 1:
                self.answers.pop(0)
            spans = [
                told(span, scope.scope)
                for resource in request.resource_spans
                for scope in resource.scope_spans
                for span in scope.spans
            ]
            refused = int(argument) if answer == "partial" else 0 if answer in TAKEN else len(spans)
            line = {
                "answer": answer,
                "acknowledged": len(spans) - refused,
                "whole": whole(request),
                "resource": attributes(request.resource_spans[0].resource.attributes),
                "spans": spans,
            }
            self.journal.write(json.dumps(line) + "\n")
            self.journal.flush()
            return answer, argument

    def answered(self, request):
        """The answer to a request that is answered at all, what goes with it, and the response where it is taken."""
        answer, argument = self.next(request)
        if answer == "die":
            os._exit(9)
        if answer == "slow":
            time.sleep(float(argument))
        if answer == "together":
            self.together[f"{answer}:{argument}"].wait()
        if answer == "hang":
            threading.Event().wait()
        response = trace_service_pb2.ExportTraceServiceResponse()
        if answer == "partial":
            response.partial_success.rejected_spans = int(argument)
            response.partial_success.error_message = "too old"
        return answer, argument, response

    def Export(self, request, context):
        answer, argument, response = self.answered(request)
        if answer in ("unavailable", "lose"):
            context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
        if answer == "refuse":
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "never")
        if answer == "full":
            if argument:
                context.set_trailing_metadata((("grpc-status-details-bin", retry_info(float(argument))),))
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
        return response


def over_grpc(receiver, port):
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=64), options=[("grpc.so_reuseport", 0)])
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(receiver, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    # A server ends when nobody has it any more.
    return server, bound


def over_http(receiver, port):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            assert self.path == "/v1/traces", self.path
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer, argument, response = receiver.answered(
                trace_service_pb2.ExportTraceServiceRequest.FromString(body)
            )
            full = 429 if argument else 413
            status = {"unavailable": 503, "lose": 503, "refuse": 400, "full": full}.get(answer, 200)
            text = response.SerializeToString() if status == 200 else b""
            self.send_response(status)
            if status == 429:
                self.send_header("Retry-After", str(int(float(argument))))
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, server.server_port


def main():
    protocol, path, port, *answers = sys.argv[1:]
    receiver = Receiver(open(path, "a"), answers)
    _server, bound = {"grpc": over_grpc, "http": over_http}[protocol](receiver, port)
    print(bound, flush=True)
    # Until whoever started it is gone, or does not need it any more.
    sys.stdin.read()
    os._exit(0)


main()
