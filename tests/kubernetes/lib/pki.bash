# shellcheck shell=bash
# Certificates and kubeconfig files.

certificate() { # NAME SUBJECT ALTERNATIVE-NAMES
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "$2" \
    -keyout "$state/pki/$1.key" -out "$state/pki/$1.csr" 2>/dev/null
  openssl x509 -req -in "$state/pki/$1.csr" -CA "$state/pki/ca.crt" -CAkey "$state/pki/ca.key" -CAcreateserial -days 30 \
    -out "$state/pki/$1.crt" -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$3") 2>/dev/null
}

kubeconfig() { # NAME: of the certificate of that name
  jq -n --arg server "https://$api:6443" --arg ca "$(base64 -w 0 "$state/pki/ca.crt")" \
    --arg certificate "$(base64 -w 0 "$state/pki/$1.crt")" --arg key "$(base64 -w 0 "$state/pki/$1.key")" '
    {apiVersion: "v1", kind: "Config", "current-context": "cluster",
     clusters: [{name: "cluster", cluster: {server: $server, "certificate-authority-data": $ca}}],
     users: [{name: "user", user: {"client-certificate-data": $certificate, "client-key-data": $key}}],
     contexts: [{name: "cluster", context: {cluster: "cluster", user: "user"}}]}' >"$state/$1.conf"
}

cluster_pki() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=cluster-ca \
    -keyout "$state/pki/ca.key" -out "$state/pki/ca.crt" 2>/dev/null
  openssl ecparam -genkey -name prime256v1 -noout -out "$state/pki/sa.key"
  openssl ec -in "$state/pki/sa.key" -pubout -out "$state/pki/sa.pub" 2>/dev/null
  certificate apiserver /CN=kube-apiserver \
    "IP:127.0.0.1,IP:$api,IP:10.96.0.1,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
  certificate admin /O=system:masters/CN=admin DNS:admin
  certificate controller-manager /CN=system:kube-controller-manager DNS:controller-manager
  certificate scheduler /CN=system:kube-scheduler DNS:scheduler
  certificate proxy /CN=system:kube-proxy DNS:proxy
  certificate kubelet-client /O=system:masters/CN=kubelet-client DNS:kubelet-client
  certificate front-proxy /CN=front-proxy DNS:front-proxy
  local each
  for each in admin controller-manager scheduler proxy; do kubeconfig $each; done
}
