// A real Kubernetes API server for tests: etcd and kube-apiserver in one process, on loopback.
//
//	apiserver --folder DIR --port N
//
// DIR/kubeconfig appears when the server is ready, and only then. Everything is kept in DIR, so a
// second start with the same folder and port goes on where a killed one stopped. The process ends,
// and takes DIR with it, when its standard input does: whoever started it need not live to stop it.
package main

import (
	"flag"
	"io"
	"log"
	"os"
	"path/filepath"

	"k8s.io/component-base/cli"
	// Without it the client's metrics are registered nowhere, as in kube-apiserver's own main.
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	folder := flag.String("folder", "", "where everything is kept")
	port := flag.Int("port", 0, "where the API is served, on 127.0.0.1")
	flag.Parse()
	if *folder == "" || *port == 0 {
		log.Fatal("--folder and --port are needed")
	}
	os.Exit(run(*folder, *port))
}

func run(folder string, port int) int {
	must(os.RemoveAll(filepath.Join(folder, kubeconfigFile)))
	token := must1(keptToken(folder))
	must(writeSigningKey(folder))
	must(serveEgress(folder))

	store := must1(startEtcd(folder))
	must(serveControl(folder, store))
	go endWithInput(folder, store)
	go announce(folder, port, token)

	command := app.NewAPIServerCommand()
	command.SetArgs(arguments(folder, port, store))
	return cli.Run(command)
}

// endWithInput removes the folder even where whoever asked for this was killed.
func endWithInput(folder string, store *etcd) {
	_, _ = io.Copy(io.Discard, os.Stdin)
	store.stop()
	_ = os.RemoveAll(folder)
	os.Exit(0)
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func must1[T any](value T, err error) T {
	must(err)
	return value
}
