import Foundation
import Glibc

/// A process that speaks TLS for the tests' clients and stubs: Python's `ssl`, driven without sockets, so that it sees
/// apart what the library hides (whether `close_notify` came) and offers what tests need (a session
/// of an earlier connection, old versions, an abrupt end). One for the whole run, however that
/// ends.
final class TLSPeer: Sendable {
    /// The run's instance.
    static func shared() throws -> TLSPeer { try instance.get() }

    private static let instance = Result { try TLSPeer() }

    private let workspace: Workspace
    private let process: ChildProcess
    private let address: Address

    private init() throws {
        let workspace = try Workspace()
        let address = Address.path(workspace.file("peer"))
        let script = try workspace.write(Self.script, to: "peer.py")
        (self.workspace, self.address) = (workspace, address)
        process = try ChildProcess(["python3", script, "\(address.description.dropFirst(5))", "\(getpid())"], in: workspace)
        atexit { if case .success(let peer) = TLSPeer.instance { peer.workspace.tearDown() } }
        _ = try eventually("the TLS peer") { try? Socket.connect(to: address) }
    }

    /// Gives a connection to the peer, which has the handshake that `order` describes there.
    /// - Returns: the socket on which it hands over what it decrypts, and how the handshake went.
    func takeOver(
        _ connection: Socket, _ order: TLSOrder, by deadline: Deadline
    ) throws -> (socket: Socket, handshake: TLSHandshake) {
        let socket = try Socket.connect(to: address, by: deadline)
        try socket.send(try JSONEncoder().encode(order) + [10], with: connection.descriptor)
        return (socket, try JSONDecoder().decode(TLSHandshake.self, from: try Self.line(of: socket, by: deadline)))
    }

    /// How the server ended a connection: `close_notify`, `eof`, or the fault.
    func ending(of label: String, by deadline: Deadline) throws -> String {
        let socket = try Socket.connect(to: address, by: deadline)
        try socket.send([UInt8](JSONEncoder().encode(["ending": label])) + [10], by: deadline)
        return try JSONDecoder().decode(String.self, from: try Self.line(of: socket, by: deadline))
    }

    /// What precedes the relayed bytes is read one by one, so that none of them is taken.
    private static func line(of socket: Socket, by deadline: Deadline) throws -> Data {
        var line = Data()
        while line.last != 10 {
            let byte = try socket.receive(upTo: 1, by: deadline)
            guard !byte.isEmpty else { throw TestFailure("the TLS peer has failed") }
            line += byte
        }
        return line
    }

    private static let script = #"""
        import json, os, select, socket, ssl, sys, threading, time, warnings

        warnings.simplefilter("ignore")
        LIMIT = 1 << 18
        sessions, endings = {}, {}
        server_contexts, server_names, making = {}, {}, threading.Lock()
        changed = threading.Condition()

        def make_server_context(order):
            key = json.dumps({**order, "label": ""}, sort_keys=True)
            with making:
                if key not in server_contexts:
                    context = server_contexts[key] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.sni_callback = lambda tls, name, _: server_names.__setitem__(id(tls), name)
                    context.load_cert_chain(order["certificate"], order["key"])
                    if order.get("trusted"):
                        context.load_verify_locations(order["trusted"])
                        context.verify_mode = ssl.CERT_REQUIRED
                    if order.get("applicationProtocols"):
                        context.set_alpn_protocols(order["applicationProtocols"])
                    if order.get("version"):
                        context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, order["version"])
                return server_contexts[key]

        def make_context(order):
            if order["isServer"]:
                return make_server_context(order)
            if order.get("resume"):
                return sessions[order["resume"]][0]
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            if order.get("trusted"):
                context.load_verify_locations(order["trusted"])
                context.verify_mode = ssl.CERT_REQUIRED
                context.check_hostname = bool(order.get("serverName"))
            if order.get("ciphers"):
                context.set_ciphers(order["ciphers"])
            if order.get("version"):
                version = getattr(ssl.TLSVersion, order["version"])
                context.minimum_version = context.maximum_version = version
            if order.get("applicationProtocols"):
                context.set_alpn_protocols(order["applicationProtocols"])
            if order.get("certificate"):
                context.load_cert_chain(order["certificate"], order["key"])
            return context

        def shake_hands(order, tls, far, incoming, outgoing):
            far.settimeout(30)
            while True:
                try:
                    tls.do_handshake()
                    wants = False
                except ssl.SSLWantReadError:
                    wants = True
                finally:
                    data = outgoing.read()
                    if data:
                        size = 1 if order.get("drips") else len(data)
                        try:
                            for start in range(0, len(data), size):
                                far.sendall(data[start:start + size])
                        except OSError:
                            pass
                if not wants:
                    return
                data = far.recv(65536)
                if not data:
                    raise EOFError("the server has closed")
                incoming.write(data)
                # Not every alert has a name in this library.
                if data[0] == 0x15 and len(data) == 7:
                    order["alert"] = data[-1]

        def facts(tls):
            certificate = tls.getpeercert(True)
            return {
                "version": tls.version(), "cipher": tls.cipher()[0], "isResumed": tls.session_reused,
                "applicationProtocol": tls.selected_alpn_protocol(),
                "certificate": ssl.DER_cert_to_PEM_cert(certificate) if certificate else "",
                "serverName": server_names.pop(id(tls), None),
            }

        def end(label, how):
            with changed:
                endings[label] = how
                changed.notify_all()

        def say_end(order, tls):
            if not order.get("endsAbruptly"):
                try:
                    tls.unwrap()
                except ssl.SSLError:
                    pass

        # The test has let go of the connection, but what it said before is still to be said.
        def finish(order, tls, near, far, data, outgoing):
            near.setblocking(True)
            far.settimeout(60)
            while True:
                far.sendall(data + outgoing.read())
                data = near.recv(65536)
                if not data:
                    break
                tls.write(data)
                data = b""
            say_end(order, tls)
            far.sendall(outgoing.read())

        def relay(order, context, tls, near, far, incoming, outgoing):
            label, to_near, to_far = order["label"], bytearray(), bytearray()
            near_open, far_open, far_talks = True, True, True
            near.setblocking(False)
            far.setblocking(False)
            poller = select.poll()
            poller.register(near, 0)
            poller.register(far, 0)

            def decrypt():
                nonlocal far_talks
                while far_talks and len(to_near) < LIMIT:
                    try:
                        data = tls.read(65536)
                    except ssl.SSLWantReadError:
                        break
                    except ssl.SSLZeroReturnError:
                        data = b""
                    except ssl.SSLError as error:
                        far_talks = False
                        return end(label, str(error))
                    if not data:
                        far_talks = False
                        return end(label, "close_notify")
                    to_near.extend(data)
                sessions[label] = (context, tls.session)

            decrypt()
            shut = False
            while True:
                to_far.extend(outgoing.read())
                if not far_talks and not to_near and not shut:
                    near.shutdown(socket.SHUT_WR)
                    shut = True
                if shut and not far_open:
                    return
                poller.modify(near, (select.POLLIN if near_open and len(to_far) < LIMIT else 0) | (select.POLLOUT if to_near else 0))
                if far_open:
                    poller.modify(far, (select.POLLIN if len(to_near) < LIMIT else 0) | (select.POLLOUT if to_far else 0))
                else:
                    to_far.clear()
                for number, event in poller.poll():
                    if number == near.fileno():
                        if event & select.POLLIN and not event & select.POLLHUP:
                            data = near.recv(65536)
                            if data:
                                tls.write(data)
                            else:
                                near_open = False
                                say_end(order, tls)
                                to_far.extend(outgoing.read() + order.get("textAfterEnd", "").encode())
                        if event & select.POLLOUT and to_near:
                            del to_near[:near.send(to_near)]
                            decrypt()
                        if event & (select.POLLHUP | select.POLLERR):
                            return finish(order, tls, near, far, bytes(to_far), outgoing)
                    else:
                        if event & select.POLLOUT and to_far:
                            try:
                                del to_far[:far.send(to_far)]
                            except (BrokenPipeError, ConnectionResetError):
                                to_far.clear()
                        if event & (select.POLLIN | select.POLLHUP | select.POLLERR) and far_open:
                            try:
                                data = far.recv(65536)
                            except ConnectionResetError:
                                data = b""
                            if data:
                                incoming.write(data)
                                decrypt()
                            else:
                                far_open = False
                                poller.unregister(far)
                                if far_talks:
                                    far_talks = False
                                    end(label, "eof")

        def serve(near):
            text, descriptors, _, _ = socket.recv_fds(near, 1 << 16, 1)
            if not text:
                return
            order = json.loads(text)
            if "ending" in order:
                with changed:
                    changed.wait_for(lambda: order["ending"] in endings, 30)
                    near.sendall((json.dumps(endings.get(order["ending"], "none yet")) + "\n").encode())
                return
            far = socket.socket(fileno=descriptors[0])
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            try:
                context = make_context(order)
                session = sessions[order["resume"]][1] if order.get("resume") else None
                tls = context.wrap_bio(incoming, outgoing, order["isServer"], order.get("serverName"), session)
                shake_hands(order, tls, far, incoming, outgoing)
                near.sendall((json.dumps(facts(tls)) + "\n").encode())
            except (OSError, EOFError, KeyError, ValueError) as error:
                near.sendall((json.dumps({"failure": f"{type(error).__name__}: {error}", "alert": order.get("alert")}) + "\n").encode())
                far.shutdown(socket.SHUT_RDWR)
                return
            try:
                relay(order, context, tls, near, far, incoming, outgoing)
            except OSError as error:
                end(order["label"], str(error))
            finally:
                far.close()

        def run(near):
            with near:
                try:
                    serve(near)
                except OSError:
                    pass

        def watch(parent):
            while os.getppid() == parent:
                time.sleep(1)
            os._exit(0)

        threading.Thread(target=watch, args=(int(sys.argv[2]),), daemon=True).start()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(sys.argv[1])
        listener.listen(128)
        while True:
            threading.Thread(target=run, args=(listener.accept()[0],), daemon=True).start()
        """#
}

extension Socket {
    /// Sends bytes and, along with the first, a descriptor (`unix(7)`, SCM_RIGHTS).
    fileprivate func send(_ bytes: Data, with passenger: CInt) throws(WireError) {
        // A cmsghdr and its payload, as a little-endian machine of 64 bits lays them out.
        var control = [20, SCM_RIGHTS << 32 | Int(SOL_SOCKET), Int(passenger)]
        var payload = [UInt8](bytes)
        let (count, capacity) = (payload.count, control.count * MemoryLayout<Int>.size)
        let sent = payload.withUnsafeMutableBytes { payload in
            control.withUnsafeMutableBytes { control in
                var part = iovec(iov_base: payload.baseAddress, iov_len: count)
                return withUnsafeMutablePointer(to: &part) { part in
                    var message = msghdr()
                    message.msg_iov = part
                    message.msg_iovlen = 1
                    message.msg_control = control.baseAddress
                    message.msg_controllen = capacity
                    return sendmsg(descriptor, &message, CInt(MSG_NOSIGNAL))
                }
            }
        }
        guard sent == count else { throw .system(call: "sendmsg", errno: errno) }
    }
}
