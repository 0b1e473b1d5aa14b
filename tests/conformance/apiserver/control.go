package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
)

// serveControl answers, on a socket in the folder, what no Kubernetes API offers:
// POST /compact makes etcd forget its history.
func serveControl(folder string, store *etcd) error {
	listener, err := listenIn(folder, "control")
	if err != nil {
		return err
	}
	routes := http.NewServeMux()
	routes.HandleFunc("POST /compact", func(answer http.ResponseWriter, request *http.Request) {
		revision, err := store.compact(request.Context())
		if err != nil {
			http.Error(answer, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = fmt.Fprintln(answer, revision)
	})
	go func() { must(http.Serve(listener, routes)) }()
	return nil
}

// listenIn takes the place of the socket that a killed process has left.
func listenIn(folder, name string) (net.Listener, error) {
	path := filepath.Join(folder, name)
	if err := os.RemoveAll(path); err != nil {
		return nil, err
	}
	return net.Listen("unix", path)
}
