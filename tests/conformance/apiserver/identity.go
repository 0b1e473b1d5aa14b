package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
)

const (
	certificatesFolder = "certificates"
	signingKeyFile     = "service-accounts.key"
	tokensFile         = "tokens.csv"
	adminOf            = `,admin,admin,"system:masters"`
)

// keptToken is the administrator's; a second start in the folder finds the first one's.
func keptToken(folder string) (string, error) {
	path := filepath.Join(folder, tokensFile)
	if kept, err := os.ReadFile(path); err == nil {
		token, _, _ := strings.Cut(string(kept), ",")
		return token, nil
	}
	token := rand.Text()
	return token, os.WriteFile(path, []byte(token+adminOf+"\n"), 0o600)
}

func writeSigningKey(folder string) error {
	path := filepath.Join(folder, signingKeyFile)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	block := &pem.Block{Type: "EC PRIVATE KEY", Bytes: der}
	return os.WriteFile(path, pem.EncodeToMemory(block), 0o600)
}
