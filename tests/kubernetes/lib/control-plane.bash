# shellcheck shell=bash disable=SC2154 # variables of ../cluster
# Certificates, etcd, the API server, the controllers and the scheduler, all in the network of node-1.

control_plane() {
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
  for name in admin controller-manager scheduler proxy; do kubeconfig $name; done

  start node-1 etcd etcd --data-dir "$state/etcd" --unsafe-no-fsync \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380
  start node-1 apiserver "$bin/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 \
    --advertise-address="$api" --bind-address=0.0.0.0 --secure-port=6443 --allow-privileged \
    --tls-cert-file="$state/pki/apiserver.crt" --tls-private-key-file="$state/pki/apiserver.key" \
    --client-ca-file="$state/pki/ca.crt" --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
    --service-account-key-file="$state/pki/sa.pub" --service-account-signing-key-file="$state/pki/sa.key" \
    --service-account-issuer=https://kubernetes.default.svc --service-cluster-ip-range=10.96.0.0/16 \
    --kubelet-client-certificate="$state/pki/kubelet-client.crt" --kubelet-client-key="$state/pki/kubelet-client.key" \
    --kubelet-preferred-address-types=InternalIP --enable-aggregator-routing \
    --requestheader-client-ca-file="$state/pki/ca.crt" --requestheader-allowed-names=front-proxy \
    --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
    --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --proxy-client-cert-file="$state/pki/front-proxy.crt" --proxy-client-key-file="$state/pki/front-proxy.key"
  for _ in $(seq 240); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.25; done
  start node-1 controller-manager "$bin/kube-controller-manager" --kubeconfig="$state/controller-manager.conf" \
    --root-ca-file="$state/pki/ca.crt" --service-account-private-key-file="$state/pki/sa.key" \
    --use-service-account-credentials --leader-elect=false \
    --cluster-signing-cert-file="$state/pki/ca.crt" --cluster-signing-key-file="$state/pki/ca.key"
  start node-1 scheduler "$bin/kube-scheduler" --kubeconfig="$state/scheduler.conf" --leader-elect=false
}

certificate() { # NAME SUBJECT ALTERNATIVE-NAMES
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "$2" \
    -keyout "$state/pki/$1.key" -out "$state/pki/$1.csr" 2>/dev/null
  openssl x509 -req -in "$state/pki/$1.csr" -CA "$state/pki/ca.crt" -CAkey "$state/pki/ca.key" -CAcreateserial -days 30 \
    -out "$state/pki/$1.crt" -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$3") 2>/dev/null
}

kubeconfig() { # NAME: of the certificate of that name
  local config=("$bin/kubectl" "--kubeconfig=$state/$1.conf" config)
  "${config[@]}" set-cluster cluster --server="https://$api:6443" --certificate-authority="$state/pki/ca.crt" --embed-certs
  "${config[@]}" set-credentials user --client-certificate="$state/pki/$1.crt" --client-key="$state/pki/$1.key" --embed-certs
  "${config[@]}" set-context cluster --cluster=cluster --user=user
  "${config[@]}" use-context cluster
} >/dev/null
