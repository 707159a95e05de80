package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"strings"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// user is somebody whom the API server knows. The token is the name itself.
type user struct{ Name, Is, Group string }

// users are the administrator, the control plane, kube-proxy and a kubelet per node.
func users(v variant) []user {
	list := []user{
		{"admin", "admin", "system:masters"},
		{"controller-manager", "system:kube-controller-manager", ""},
		{"scheduler", "system:kube-scheduler", ""},
		{"proxy", "system:kube-proxy", ""},
	}
	for _, n := range v.nodes() {
		list = append(list, user{n.Name, "system:node:" + n.Name, "system:nodes"})
	}
	return list
}

// writePKI makes the certificates, tokens and kubeconfigs of a cluster.
func writePKI(h home, v variant) error {
	if err := os.MkdirAll(h.pki(""), 0o700); err != nil {
		return err
	}
	accounts, err := rsa.GenerateKey(rand.Reader, 2048) // signs the tokens of service accounts
	if err != nil {
		return err
	}
	err = errors.Join(writeKey(h.pki("sa.key"), accounts), writeServing(h), writeTokens(h, v))
	if err != nil {
		return err
	}
	for _, u := range users(v) {
		if err := writeKubeconfig(h, u.Name); err != nil {
			return err
		}
	}
	return nil
}

// writeServing makes the authority and the certificate that the API server shows.
func writeServing(h home) error {
	authorityKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	authority := certificate("picket-cluster")
	authority.IsCA, authority.KeyUsage = true, x509.KeyUsageCertSign
	server := certificate("kube-apiserver")
	server.DNSNames = []string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost",
	}
	server.IPAddresses = []net.IP{
		net.IPv4(127, 0, 0, 1), net.IPv4(10, 96, 0, 1), net.ParseIP("fd96::1"),
		net.ParseIP(control.ip4()), net.ParseIP(control.ip6()),
	}
	serverKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	return errors.Join(
		signer{authority, authorityKey}.write(h.pki("ca.crt"), authority, &authorityKey.PublicKey),
		signer{authority, authorityKey}.write(h.pki("apiserver.crt"), server, &serverKey.PublicKey),
		writeKey(h.pki("apiserver.key"), serverKey),
	)
}

func certificate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
}

// signer is an authority with its key.
type signer struct {
	certificate *x509.Certificate
	key         *rsa.PrivateKey
}

// write signs a certificate of a key and writes it to a file.
func (s signer) write(path string, certificate *x509.Certificate, key *rsa.PublicKey) error {
	der, err := x509.CreateCertificate(rand.Reader, certificate, s.certificate, key, s.key)
	if err != nil {
		return err
	}
	block := &pem.Block{Type: "CERTIFICATE", Bytes: der}
	return os.WriteFile(path, pem.EncodeToMemory(block), 0o600)
}

func writeKey(path string, key *rsa.PrivateKey) error {
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	return os.WriteFile(path, pem.EncodeToMemory(block), 0o600)
}

// writeTokens writes the file that --token-auth-file names: token, user, uid, groups.
func writeTokens(h home, v variant) error {
	var lines strings.Builder
	for _, u := range users(v) {
		fmt.Fprintf(&lines, "%s,%s,%s,%s\n", u.Name, u.Is, u.Name, u.Group)
	}
	return os.WriteFile(h.pki("tokens.csv"), []byte(lines.String()), 0o600)
}

func writeKubeconfig(h home, name string) error {
	return clientcmd.WriteToFile(api.Config{
		Clusters: map[string]*api.Cluster{
			"picket": {Server: serverURL, CertificateAuthority: h.pki("ca.crt")},
		},
		AuthInfos:      map[string]*api.AuthInfo{name: {Token: name}},
		Contexts:       map[string]*api.Context{"picket": {Cluster: "picket", AuthInfo: name}},
		CurrentContext: "picket",
	}, h.kubeconfig(name))
}
