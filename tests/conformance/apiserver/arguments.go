package main

import (
	"fmt"
	"path/filepath"
)

const address = "127.0.0.1"

// arguments of kube-apiserver: its defaults, with what AKS sets where tests can tell the difference.
func arguments(folder string, port int, store *etcd) []string {
	in := func(name string) string { return filepath.Join(folder, name) }
	return []string{
		"--etcd-servers=" + store.url(),
		"--bind-address=" + address,
		"--advertise-address=" + address,
		fmt.Sprintf("--secure-port=%d", port),
		// Only without a reconciler may the advertised address be a loopback one.
		"--endpoint-reconciler-type=none",
		"--cert-dir=" + in(certificatesFolder),
		"--token-auth-file=" + in(tokensFile),
		// Who brings no token is told 401, as on AKS, instead of becoming system:anonymous.
		"--anonymous-auth=false",
		"--authorization-mode=RBAC",
		"--service-account-key-file=" + in(signingKeyFile),
		"--service-account-signing-key-file=" + in(signingKeyFile),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-cluster-ip-range=10.0.0.0/24",
		"--egress-selector-config-file=" + in(egressFile),
	}
}
