package main

import (
	"context"
	"errors"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
)

const (
	// The key by which API servers tell each other what they compacted:
	// https://github.com/kubernetes/apiserver/blob/v0.36.3/pkg/storage/etcd3/compact.go
	compactedKey = "compact_rev_key"
	startLimit   = 30 * time.Second
)

type etcd struct {
	server *embed.Etcd
	client *clientv3.Client
}

func startEtcd(folder string) (*etcd, error) {
	config := embed.NewConfig()
	config.Dir = filepath.Join(folder, "etcd")
	config.LogLevel = "error"
	config.UnsafeNoFsync = true // nothing here has to outlive the machine
	config.EnableGRPCGateway = false // it would dial the address that was asked for, port 0
	config.TickMs, config.ElectionMs = 10, 100
	anywhere := []url.URL{{Scheme: "http", Host: address + ":0"}}
	config.ListenClientUrls, config.AdvertiseClientUrls = anywhere, anywhere
	config.ListenPeerUrls, config.AdvertisePeerUrls = anywhere, anywhere
	config.InitialCluster = config.InitialClusterFromName(config.Name)

	server, err := embed.StartEtcd(config)
	if err != nil {
		return nil, err
	}
	select {
	case <-server.Server.ReadyNotify():
		return &etcd{server: server, client: v3client.New(server.Server)}, nil
	case <-time.After(startLimit):
		return nil, errors.New("etcd is not ready in time")
	}
}

func (store *etcd) url() string {
	return "http://" + store.server.Clients[0].Addr().String()
}

// compact forgets everything but the present, and says so where API servers look for it.
func (store *etcd) compact(ctx context.Context) (int64, error) {
	present, err := store.client.Get(ctx, compactedKey)
	if err != nil {
		return 0, err
	}
	revision := present.Header.Revision
	if _, err = store.client.Put(ctx, compactedKey, strconv.FormatInt(revision, 10)); err != nil {
		return 0, err
	}
	_, err = store.client.Compact(ctx, revision, clientv3.WithCompactPhysical())
	return revision, err
}

func (store *etcd) stop() {
	store.server.Server.HardStop()
}
