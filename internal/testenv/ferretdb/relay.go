package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
)

// FerretDB looks a document up and then writes it, so that of two updates at
// the same time one may undo the other, whatever its filter says. MongoDB
// updates each document atomically. The relay makes up for it: of all
// connections only one writes at a time.

const (
	opMsg      = 2013
	headerSize = 16
	maxMessage = 48_000_000
	bodyName   = headerSize + 4 + 1 + 4 + 1 // flags, kind, length, type: then the command's name
)

// relay passes what clients ask at addr on to the server at inner, until ctx is done.
func relay(ctx context.Context, addr, inner string) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var writing sync.Mutex
	for {
		client, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		go serve(ctx, client, inner, &writing)
	}
}

// serve relays one connection's requests, each with its answer.
func serve(ctx context.Context, client net.Conn, inner string, writing *sync.Mutex) {
	defer func() { _ = client.Close() }()
	server, err := new(net.Dialer).DialContext(ctx, "tcp", inner)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	stop := context.AfterFunc(ctx, func() { _, _ = client.Close(), server.Close() })
	defer stop()
	fromClient, fromServer := bufio.NewReader(client), bufio.NewReader(server)
	for {
		request, err := message(fromClient)
		if err != nil {
			return
		}
		answer, err := ask(server, fromServer, request, writing)
		if err != nil {
			return
		}
		if _, err := client.Write(answer); err != nil {
			return
		}
	}
}

func ask(server net.Conn, answers *bufio.Reader, request []byte, writing *sync.Mutex) ([]byte, error) {
	if writes(request) {
		writing.Lock()
		defer writing.Unlock()
	}
	if _, err := server.Write(request); err != nil {
		return nil, err
	}
	return message(answers)
}

// writes tells whether a request changes documents.
func writes(request []byte) bool {
	if len(request) < bodyName || binary.LittleEndian.Uint32(request[12:]) != opMsg {
		return false
	}
	name, _, _ := bytes.Cut(request[bodyName:min(len(request), bodyName+20)], []byte{0})
	switch string(name) {
	case "insert", "update", "delete", "findAndModify":
		return true
	}
	return false
}

// message reads one message of MongoDB's protocol.
func message(r *bufio.Reader) ([]byte, error) {
	head, err := r.Peek(4)
	if err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(head)
	if size < headerSize || size > maxMessage {
		return nil, fmt.Errorf("a message of %d bytes", size)
	}
	m := make([]byte, size)
	if _, err := io.ReadFull(r, m); err != nil {
		return nil, err
	}
	return m, nil
}
